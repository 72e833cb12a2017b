# Writes a producer's keys to its paths at the authority, by compare-and-set, where they differ.
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
  capabilities = ["create", "read", "update"]
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
path "secret/metadata/platform-config/postgres/platform-postgres" {
  capabilities = ["create", "patch"]
}
path "secret/metadata/platform-data/postgres/backstage" {
  capabilities = ["create", "patch"]
}
path "secret/metadata/platform-data/postgres/lockstep-admin" {
  capabilities = ["create", "patch"]
}
path "secret/metadata/platform-data/postgres/temporal" {
  capabilities = ["create", "patch"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
