# Follows confirmed leaks until what leaked is refused and consumers have moved; remembers what was revoked.
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
path "lockstep/data/due/*" {
  capabilities = ["create", "update"]
}
path "lockstep/data/fingerprints/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/data/leaking/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/data/leaks/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/data/rollouts/*" {
  capabilities = ["read"]
}
path "lockstep/data/rotations/*" {
  capabilities = ["read"]
}
path "lockstep/metadata/due/*" {
  capabilities = ["delete", "list"]
}
path "lockstep/metadata/fingerprints/values/" {
  capabilities = ["list"]
}
path "lockstep/metadata/leaks/" {
  capabilities = ["list"]
}
path "lockstep/metadata/rollouts/" {
  capabilities = ["list"]
}
path "lockstep/metadata/rotations/" {
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
  capabilities = ["create", "patch"]
}
path "secret/metadata/platform-data/postgres/backstage" {
  capabilities = ["create", "patch"]
}
path "secret/metadata/platform-data/postgres/lockstep-admin" {
  capabilities = ["create", "patch"]
}
path "secret/metadata/platform-data/postgres/orders" {
  capabilities = ["create", "patch"]
}
path "secret/metadata/platform-data/postgres/temporal" {
  capabilities = ["create", "patch"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
