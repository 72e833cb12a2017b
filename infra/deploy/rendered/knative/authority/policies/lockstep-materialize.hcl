# Reads what the authority holds and brings consumer Secrets up to it, once per version.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
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
path "sys/capabilities-self" {
  capabilities = ["update"]
}
