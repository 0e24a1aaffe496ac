"""The network asleep: dream → Poisson spikes → membranes, spikes and plasticity → new weights.

The package is not called ``sleep`` because that is the function :func:`srcnb.sleep`.
"""
