# Prolongs leases in time, orders a new credential where it cannot, and revokes those that nobody needs.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "lockstep/data/due/*" {
  capabilities = ["create", "update"]
}
path "lockstep/data/rotations/*" {
  capabilities = ["read"]
}
path "lockstep/data/tombstones/*" {
  capabilities = ["read"]
}
path "lockstep/metadata/due/*" {
  capabilities = ["delete", "list"]
}
path "lockstep/metadata/rotations/" {
  capabilities = ["list"]
}
path "lockstep/metadata/tombstones/" {
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
