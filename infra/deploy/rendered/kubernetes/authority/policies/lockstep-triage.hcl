# Maps reported leaks to secrets, confirms or dismisses them, and has what leaked rotated, within limits.
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
path "lockstep/data/fingerprints/*" {
  capabilities = ["read"]
}
path "lockstep/data/leaking/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/data/leaks/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/data/rotations/*" {
  capabilities = ["read"]
}
path "lockstep/delete/leaks/*" {
  capabilities = ["update"]
}
path "lockstep/metadata/due/*" {
  capabilities = ["delete", "list"]
}
path "lockstep/metadata/leaks/" {
  capabilities = ["delete", "list", "read"]
}
path "lockstep/metadata/leaks/*" {
  capabilities = ["delete", "read"]
}
path "lockstep/metadata/rotations/" {
  capabilities = ["list"]
}
path "secret/metadata/platform-config/postgres/platform-postgres" {
  capabilities = ["read"]
}
path "secret/metadata/platform-data/postgres/backstage" {
  capabilities = ["read"]
}
path "secret/metadata/platform-data/postgres/lockstep-admin" {
  capabilities = ["read"]
}
path "secret/metadata/platform-data/postgres/orders" {
  capabilities = ["read"]
}
path "secret/metadata/platform-data/postgres/temporal" {
  capabilities = ["read"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
