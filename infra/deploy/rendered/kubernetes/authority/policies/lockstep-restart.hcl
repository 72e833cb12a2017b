# Restarts workloads that asked for it, once per change of their Secrets, within budgets and windows.
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
path "lockstep/data/rollouts/*" {
  capabilities = ["create", "read", "update"]
}
path "lockstep/delete/rollouts/*" {
  capabilities = ["update"]
}
path "lockstep/metadata/due/*" {
  capabilities = ["delete", "list"]
}
path "lockstep/metadata/rollouts/" {
  capabilities = ["delete", "list", "read"]
}
path "lockstep/metadata/rollouts/*" {
  capabilities = ["delete", "read"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
