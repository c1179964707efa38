"""Who may run what, and when: slots of a machine, slots of the whole fleet, and the right to work on a subject."""
