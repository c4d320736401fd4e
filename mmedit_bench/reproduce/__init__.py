"""Tables and figures of the UniKE paper, regenerated: plans, the runs they need, and what is written."""
