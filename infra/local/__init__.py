"""The AWS stack on this machine: the unmodified template, deployed to an emulator on 127.0.0.1."""
