"""`python -m infra.hosts.func_python`: what func's scaffolding does around a function of `invoke: cloudevent`."""

from func_python.cloudevent import serve

from infra.hosts.func_python import new

if __name__ == "__main__":
    serve(new)
