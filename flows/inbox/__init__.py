"""Videos handed in as files, in a folder or in an S3 bucket, each with a YAML file of the same name beside it.

anna.mp4
anna.yaml     id: anna / consent: "..." / style: neutral / profile: cpu
"""
