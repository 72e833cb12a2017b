"""A thin client of the Kubernetes API: what stores, wiring and sources share, and nothing that they do with it.

Why not the `kubernetes` package: measured on a machine with two cores and Python 3.11, importing its CoreV1Api took
900 ms and its dynamic client 260 to 370 ms, beside which this takes a ninth of the latter's processor time; a step
would start several times as slowly for models that it never uses. Its requests go through urllib3 besides (see
infra.http).
"""
