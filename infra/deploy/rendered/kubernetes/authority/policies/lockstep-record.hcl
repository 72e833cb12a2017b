# Signs the ledger's head with a key it cannot read, and anchors it at the authority.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "lockstep-transit/sign/ledger" {
  capabilities = ["update"]
}
path "lockstep-transit/verify/ledger" {
  capabilities = ["update"]
}
path "lockstep/data/anchors/ledger" {
  capabilities = ["read"]
}
path "lockstep/data/anchors/local_ledger" {
  capabilities = ["create", "read", "update"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
