"""From manifest to signed attestation."""
