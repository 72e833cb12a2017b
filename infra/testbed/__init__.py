"""A real Kubernetes control plane for tests and for trying things: etcd, kube-apiserver, kube-controller-manager.

There are no nodes: Pods never run, and whoever needs their status patches it. `make testbed` provides the programs,
`python -m infra.testbed up` runs a cluster for people, `infra.testbed.cluster.start` one for a program. Needs nothing
of ours, and nothing but the standard library and PyYAML.
"""
