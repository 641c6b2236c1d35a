"""The sandbox's WeCom: an app with its callbacks, group robots and a smart robot, under `/corp/cgi-bin/`."""
