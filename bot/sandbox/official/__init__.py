"""The sandbox's WeChat service account (服务号): its API, its calls to us, and the people who follow it."""
