"""Write `range_scores.json`: scores of the cases by implementations that share no code with this package.

They need older packages than it, so an environment of their own:

    uv venv -p 3.11 /tmp/oracles
    uv pip install --python /tmp/oracles aeon==1.6.0 tqdm==4.67.1
    uv pip install --python /tmp/oracles --no-deps vus==0.0.6
    /tmp/oracles/bin/python tests/benchmarks/oracles/make_range_scores.py

`vus` is installed alone, as it asks for tensorflow, which nothing that is used here needs. From aeon (BSD-3-Clause)
come VUS and the range-based scores; from vus (Apache-2.0) VUS as its authors compute it today, and affiliation, whose
module there is that of the authors of the affiliation metrics.
"""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from aeon.benchmarking.metrics import anomaly_detection as aeon
from range_cases import KINDS, case, checksum
from vus.affiliation.generics import convert_vector_to_events
from vus.affiliation.metrics import pr_from_events
from vus.utils.metrics import metricor

SEEDS = range(10 * len(KINDS))


def scores(seed: int) -> dict[str, float | int | None]:
    """Every score of one case; None stands for NaN."""
    labels, score, alarms, buffer = case(seed)
    truth, told = labels.astype(int), alarms.astype(int)
    found = {
        "aeon_vus_pr": aeon.range_pr_vus_score(truth, score.copy(), buffer),
        "aeon_vus_roc": aeon.range_roc_vus_score(truth, score.copy(), buffer),
        "range_precision": aeon.range_precision(truth, told),
        "range_recall": aeon.range_recall(truth, told),
        "range_recall_half": aeon.range_recall(truth, told, alpha=0.5),
        "range_f": aeon.range_f_score(truth, told),
    }
    *_, found["vus_roc"], found["vus_pr"] = metricor().RangeAUC_volume_opt(truth, score, buffer)
    events = [convert_vector_to_events(x.tolist()) for x in (told, truth)]
    affiliation = pr_from_events(*events, (0, labels.size))
    found["affiliation_precision"] = affiliation["Affiliation_Precision"]
    found["affiliation_recall"] = affiliation["Affiliation_Recall"]
    values = {name: None if np.isnan(value) else float(value) for name, value in found.items()}
    return {"seed": seed, "checksum": checksum(seed), **values}


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "Cannot compute metric for a constant value")
    table = {
        "made_by": "tests/benchmarks/oracles/make_range_scores.py",
        "versions": {name: version(name) for name in ("aeon", "vus", "numpy")},
        "cases": [scores(seed) for seed in SEEDS],
    }
    lines = ",\n  ".join(json.dumps(row) for row in table.pop("cases"))
    text = json.dumps(table)[:-1] + ', "cases": [\n  ' + lines + "\n]}\n"
    Path(__file__).with_name("range_scores.json").write_text(text)
