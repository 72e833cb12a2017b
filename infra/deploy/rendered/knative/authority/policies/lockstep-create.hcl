# Begins rotations, or joins the one under way, and stages a new credential apart from live values.
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
path "lockstep/data/claims/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/data/due/*" {
  capabilities = ["create", "update"]
}
path "lockstep/data/pending/*" {
  capabilities = ["create", "read", "update"]
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
path "lockstep/metadata/rotations/" {
  capabilities = ["list"]
}
path "secret/data/platform-data/postgres/orders" {
  capabilities = ["read"]
}
path "secret/metadata/platform-data/postgres/orders" {
  capabilities = ["create", "patch"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
