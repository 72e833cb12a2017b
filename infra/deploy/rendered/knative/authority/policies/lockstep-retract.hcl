# Notes what is no longer wired, and after grace and recheck deletes exactly that.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "lockstep/data/claims/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/data/tombstones/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/delete/tombstones/*" {
  capabilities = ["update"]
}
path "lockstep/metadata/tombstones/" {
  capabilities = ["delete", "list", "read"]
}
path "lockstep/metadata/tombstones/*" {
  capabilities = ["delete", "read"]
}
path "secret/data/platform-config/postgres/platform-postgres" {
  capabilities = ["create", "read", "update"]
}
path "secret/data/platform-data/postgres/backstage" {
  capabilities = ["create", "read", "update"]
}
path "secret/data/platform-data/postgres/lockstep-admin" {
  capabilities = ["create", "read", "update"]
}
path "secret/data/platform-data/postgres/orders" {
  capabilities = ["read"]
}
path "secret/data/platform-data/postgres/temporal" {
  capabilities = ["create", "read", "update"]
}
path "secret/delete/platform-config/postgres/platform-postgres" {
  capabilities = ["update"]
}
path "secret/delete/platform-data/postgres/backstage" {
  capabilities = ["update"]
}
path "secret/delete/platform-data/postgres/lockstep-admin" {
  capabilities = ["update"]
}
path "secret/delete/platform-data/postgres/temporal" {
  capabilities = ["update"]
}
path "secret/metadata/platform-config/postgres/platform-postgres" {
  capabilities = ["create", "patch", "read"]
}
path "secret/metadata/platform-data/postgres/backstage" {
  capabilities = ["create", "patch", "read"]
}
path "secret/metadata/platform-data/postgres/lockstep-admin" {
  capabilities = ["create", "patch", "read"]
}
path "secret/metadata/platform-data/postgres/orders" {
  capabilities = ["read"]
}
path "secret/metadata/platform-data/postgres/temporal" {
  capabilities = ["create", "patch", "read"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
