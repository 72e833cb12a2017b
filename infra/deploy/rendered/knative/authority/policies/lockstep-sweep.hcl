# Compares versions and states without reading values; orders what events missed, tells what others wrote.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "lockstep/data/rotations/*" {
  capabilities = ["read"]
}
path "lockstep/data/tombstones/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/delete/tombstones/*" {
  capabilities = ["update"]
}
path "lockstep/metadata/rotations/" {
  capabilities = ["list"]
}
path "lockstep/metadata/tombstones/" {
  capabilities = ["delete", "list", "read"]
}
path "lockstep/metadata/tombstones/*" {
  capabilities = ["delete", "read"]
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
