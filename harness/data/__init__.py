"""Readers and writers of the field's formats, embedded corpora, digests."""
