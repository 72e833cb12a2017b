# Keeps keyed fingerprints of current and former values, by which triage knows a leaked one.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "lockstep-transit/hmac/leak" {
  capabilities = ["update"]
}
path "lockstep-transit/hmac/revoked" {
  capabilities = ["update"]
}
path "lockstep/data/fingerprints/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/metadata/fingerprints/values/" {
  capabilities = ["list"]
}
path "secret/data/platform-config/postgres/platform-postgres" {
  capabilities = ["read"]
}
path "secret/data/platform-data/postgres/backstage" {
  capabilities = ["read"]
}
path "secret/data/platform-data/postgres/lockstep-admin" {
  capabilities = ["read"]
}
path "secret/data/platform-data/postgres/orders" {
  capabilities = ["read"]
}
path "secret/data/platform-data/postgres/temporal" {
  capabilities = ["read"]
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
