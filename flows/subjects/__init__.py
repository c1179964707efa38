"""The life of a subject after onboarding: rename, new source, freeze, removal, disk use, garbage."""
