# Logs in at targets with staged credentials and proves it, or has the rotation given up.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "lockstep/data/budgets/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/data/due/*" {
  capabilities = ["create", "update"]
}
path "lockstep/data/pending/*" {
  capabilities = ["read"]
}
path "lockstep/data/proofs/*" {
  capabilities = ["create", "read", "update"]
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
path "sys/capabilities-self" {
  capabilities = ["update"]
}
