"""Stable Diffusion 3 of keras-hub draws what captions say, beside the pictures that they are of.

    python examples/stable_diffusion.py captions.csv --preset stable_diffusion_3_medium --out fakes

`captions.csv` has the columns `file` and `caption`; `fakes` becomes a folder for detectors
(docs/fakenet.md). The preset is yours to name: it is downloaded from Kaggle or Hugging Face, after
you have accepted its licence there, and it wants a GPU (docs/text.md). Without `--preset` nothing
is downloaded, and a model of half a million random weights draws noise, to try the way there.
"""

import argparse
import os
import pathlib

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
from keras_hub.src.models.vae.vae_backbone import VAEBackbone  # which keras-hub does not export


def small_model(image_size=32, length=12):
    """A Stable Diffusion 3 with random weights, whose tokens are letters."""
    models = keras_hub.models
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "th"]
    vocabulary = {word: number for number, word in enumerate(words)}
    vocabulary |= {"<|startoftext|>": 98, "<|endoftext|>": 99}

    def tokens():
        tokenizer = models.CLIPTokenizer(vocabulary, ["t h"], pad_with_end_token=True)
        return models.CLIPPreprocessor(tokenizer, sequence_length=length)

    def encoder(name):
        return models.CLIPTextEncoder(
            vocabulary_size=100,
            embedding_dim=16,
            hidden_dim=16,
            num_layers=2,
            num_heads=2,
            intermediate_dim=16,
            intermediate_output_index=-2,
            max_sequence_length=length,
            name=name,
        )

    backbone = models.StableDiffusion3Backbone(
        mmdit_patch_size=2,
        mmdit_hidden_dim=32,
        mmdit_num_layers=2,
        mmdit_num_heads=2,
        mmdit_position_size=image_size // 2,
        mmdit_qk_norm=None,
        mmdit_dual_attention_indices=None,
        vae=VAEBackbone([32] * 4, [1] * 4, [32] * 4, [1] * 4, name="vae"),
        clip_l=encoder("clip_l"),
        clip_g=encoder("clip_g"),
        image_shape=(image_size, image_size, 3),
    )
    preprocessor = models.StableDiffusion3TextToImagePreprocessor(tokens(), tokens())
    return models.StableDiffusion3TextToImage(backbone, preprocessor)


def text_to_image(model, steps, guidance, seed):
    """A function from texts to images, as `kerasgan.data.write_from_captions` takes it."""
    drawn = 0

    def draw(texts):
        nonlocal drawn
        drawn += 1
        how = {"num_steps": steps, "guidance_scale": guidance, "seed": seed + drawn}
        return model.generate(texts, **how)

    return draw


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("captions", type=pathlib.Path)
    parser.add_argument("--preset")
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--guidance", type=float, default=7.0)
    parser.add_argument("--image-size", type=int, help="Of both pictures.")
    parser.add_argument("--num", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/fakes"))
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    if arguments.preset is None:
        model = small_model()
    else:
        model = keras_hub.models.StableDiffusion3TextToImage.from_preset(
            arguments.preset, dtype="bfloat16"
        )
    count = kerasgan.data.write_from_captions(
        arguments.out,
        text_to_image(model, arguments.steps, arguments.guidance, arguments.seed),
        arguments.captions,
        generator=arguments.preset or "random_diffusion",
        image_size=arguments.image_size,
        num=arguments.num,
    )
    print(f"{count} triplets in {arguments.out}")


if __name__ == "__main__":
    main()
