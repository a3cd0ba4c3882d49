"""The exercises, a folder each; :mod:`spanprofiles.workshop.exercise` says what is in one."""
