"""One door to the audit of a log of decisions, for a notebook or a pipeline: read it, audit it, value the target.

>>> import numpy as np
>>> import pandas as pd
>>> rng = np.random.default_rng(1)
>>> hard = rng.random(8000) < 0.5  # hard queries are short, and get the dear action more often
>>> dear = rng.random(8000) < np.where(hard, 0.7, 0.3)
>>> won = rng.random(8000) < 0.5 - 0.2 * hard + 0.2 * dear
>>> frame = pd.DataFrame({"won": won, "words": rng.normal(size=8000) - hard,
...                       "p": np.where(hard == dear, 0.7, 0.3), "pi": np.where(dear, 0.75, 0.25), "hard": hard,
...                       "spend": np.where(dear, 20, 0), "pi_0": 0.25, "pi_20": 0.75})
>>> columns = LogColumns("won", "p", "pi", "spend", ("hard",), ("words",), prefix="pi_")
>>> log = DecisionLog.of(frame, columns, rng=rng)
>>> [(row.stage, row.verdict) for row in audit(log, rng=rng)]
[('before', 'REFUSE'), ('after', 'PASS')]
>>> own = OnPolicy(rng.random(3000) < 0.55, np.arange(3000), {"all": np.ones(3000, dtype=bool)})  # where it has served
>>> found = policy_values(policy_log(log, rng=rng, on_policy=own))
>>> [(row.estimator, row.agree, abs(row.z) < 3.0) for row in found]
[('IPS', 'yes', True), ('SNIPS', 'yes', True), ('DR', 'yes', True), ('DM', 'yes', True)]
"""

from __future__ import annotations

from harness.release.studied.audit_file import read_audit, write_audit
from harness.release.studied.audited import audit
from harness.release.studied.decisions import DecisionLog, LogColumns
from harness.release.studied.policy_file import read_values, write_values
from harness.release.studied.policy_log import OnPolicy, policy_log
from harness.release.studied.policy_values import policy_values

__all__ = ["DecisionLog", "LogColumns", "OnPolicy", "audit", "policy_log", "policy_values", "read_audit",
           "read_values", "write_audit", "write_values"]
