MODELS = {"pix2pix": {}, "cycle_gan": {}, "srgan": {}}
