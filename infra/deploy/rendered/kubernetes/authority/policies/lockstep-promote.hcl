# Makes proven credentials the newest version of their path, by compare-and-set.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "lockstep-transit/hmac/revoked" {
  capabilities = ["update"]
}
path "lockstep/data/claims/*" {
  capabilities = ["read"]
}
path "lockstep/data/due/*" {
  capabilities = ["create", "update"]
}
path "lockstep/data/pending/*" {
  capabilities = ["read"]
}
path "lockstep/data/proofs/*" {
  capabilities = ["read"]
}
path "lockstep/data/rotations/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/metadata/due/*" {
  capabilities = ["delete", "list"]
}
path "lockstep/metadata/rotations/" {
  capabilities = ["list"]
}
path "secret/data/platform-data/postgres/orders" {
  capabilities = ["create", "read", "update"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
