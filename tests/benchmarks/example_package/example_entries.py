"""An entry that lives in a package of its own: no word is the half of anything, most are plain."""

import numpy as np


class AllPlain:
    """Calls every word a plain value."""

    def fit(self, train, validation, rng):
        pass

    def predict(self, inputs, context):
        ids = np.concatenate([a for name, a in inputs.items() if name.endswith("/channel_id")])
        return {"channel_id": ids, "node_type": np.zeros(ids.size, int)}


ENTRIES = {"scene/node-type": {"all-plain": AllPlain}, "scene/node-type-shift": {"all-plain": AllPlain}}
