# Ends old credentials when every consumer has moved and proves it; takes back what is given up.
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
path "lockstep/data/rollouts/*" {
  capabilities = ["read"]
}
path "lockstep/data/rotations/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/metadata/due/*" {
  capabilities = ["delete", "list"]
}
path "lockstep/metadata/pending/*" {
  capabilities = ["delete", "read"]
}
path "lockstep/metadata/rollouts/" {
  capabilities = ["list"]
}
path "lockstep/metadata/rotations/" {
  capabilities = ["list"]
}
path "secret/data/platform-data/postgres/lockstep-admin" {
  capabilities = ["read"]
}
path "secret/data/platform-data/postgres/orders" {
  capabilities = ["read"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
