"""tradeoffbounds: what a fine-tune may cost an aligned language model's safety, as bounds that can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradeoffbounds.audit import Audit as Audit
    from tradeoffbounds.audit import audit as audit
    from tradeoffbounds.audit_config import AuditConfig as AuditConfig
    from tradeoffbounds.config import EstimateConfig as EstimateConfig
    from tradeoffbounds.errors import UserError as UserError
    from tradeoffbounds.estimate import Estimate as Estimate
    from tradeoffbounds.estimate import estimate as estimate
    from tradeoffbounds.monitor import SafetyMonitor as SafetyMonitor
    from tradeoffbounds.study import Study as Study
    from tradeoffbounds.study import study as study
    from tradeoffbounds.study_config import StudyConfig as StudyConfig
    from tradeoffbounds.validate import Validation as Validation
    from tradeoffbounds.validate import validate as validate
    from tradeoffbounds.validate_config import ValidateConfig as ValidateConfig

_HOMES = {
    "Audit": "tradeoffbounds.audit",
    "AuditConfig": "tradeoffbounds.audit_config",
    "audit": "tradeoffbounds.audit",
    "EstimateConfig": "tradeoffbounds.config",
    "UserError": "tradeoffbounds.errors",
    "Estimate": "tradeoffbounds.estimate",
    "estimate": "tradeoffbounds.estimate",
    "SafetyMonitor": "tradeoffbounds.monitor",
    "Study": "tradeoffbounds.study",
    "StudyConfig": "tradeoffbounds.study_config",
    "study": "tradeoffbounds.study",
    "ValidateConfig": "tradeoffbounds.validate_config",
    "Validation": "tradeoffbounds.validate",
    "validate": "tradeoffbounds.validate",
}
#: Modules that are callable themselves, so that the name means the same however it was imported first.
_DOORS = ("audit", "estimate", "study", "validate")


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `import tradeoffbounds` stays light.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    home = importlib.import_module(_HOMES[name])
    return home if name in _DOORS else getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
