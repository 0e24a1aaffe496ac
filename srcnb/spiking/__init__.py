"""The spiking network: sleep input → Poisson spikes → membranes, spikes, plasticity → weights.

The package is not called ``sleep`` because that is the function :func:`srcnb.sleep`.
"""
