"""Provisioning: a blank kiosk becomes a gate over one serial cable.

Both ends of the link live here: `device` on the kiosk, `bench` on the
technician's laptop, and between them one wire format (`framing`, `wire`).
"""
