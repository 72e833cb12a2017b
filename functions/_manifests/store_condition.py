"""The `conditions` of a ClusterSecretStore."""

from collections.abc import Mapping

from functions._failures import Reject
from functions._manifests.expression import compile_expression
from functions._manifests.selector import NAME_LABEL, LabelSelector
from functions._manifests.shape import Shape


class StoreCondition(Shape):
    """Namespaces that may use the store; any one of the three suffices."""

    namespace_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_regexes: tuple[str, ...] = ()

    def admits(self, namespace: str, labels: Mapping[str, str] | None = None) -> bool:
        """Whether it lets this namespace in. Raises Reject where its `labels` would tell, and are not known (None)."""
        if namespace in self.namespaces:
            return True
        # Go's MatchString searches; so do we.
        if any(compile_expression(pattern).search(namespace) for pattern in self.namespace_regexes):
            return True
        selector = self.namespace_selector
        if selector is None:
            return False
        if labels is not None:
            return selector.matches({NAME_LABEL: namespace, **labels})
        if selector.keys - {NAME_LABEL}:
            raise Reject(f"has a namespaceSelector by other labels than {NAME_LABEL}; list the namespaces instead")
        return selector.matches({NAME_LABEL: namespace})
