"""How Shoal is deployed: the CDK app, the local AWS stack and the command line."""
