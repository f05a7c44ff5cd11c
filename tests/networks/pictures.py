"""Families of transformers for images, sound, series, and pairs of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .case import Case, ce, mse
from .language import TEXT, case, sentences, without_labels

VISION = {
    "image_size": 8,
    "patch_size": 4,
    "num_channels": 3,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_labels": 3,
}
STAGES = {"num_channels": 3, "num_labels": 3, "depths": [1, 1], "hidden_sizes": [8, 12]}
PYRAMID = {
    "num_encoder_blocks": 2,
    "depths": [1, 1],
    "hidden_sizes": [8, 16],
    "patch_sizes": [7, 3],
    "strides": [4, 2],
    "num_attention_heads": [1, 2],
    "mlp_ratios": [2, 2],
    "num_labels": 3,
}
SOUND = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": [8, 8],
    "conv_kernel": [4, 2],
    "conv_stride": [2, 2],
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 8,
    "num_labels": 3,
    "classifier_proj_size": 8,
    "mask_time_prob": 0.0,
    "apply_spec_augment": False,
}


def pixels(size: int, **more: Callable[[int], Tensor]) -> Callable[[], list[Any]]:
    """Images, class labels, and what else is drawn from the number of samples."""

    def make() -> list[Any]:
        return [
            {
                "pixel_values": torch.randn(n, 3, size, size, dtype=torch.float64),
                "labels": torch.randint(3, (n,)),
                **{name: draw(n) for name, draw in more.items()},
            }
            for n in (1, 3)
        ]

    return make


def maps() -> list[Any]:
    """Images with a class for every fourth pixel, as the network gives them."""
    batches = pixels(32)()
    for batch in batches:
        labels = torch.randint(3, (len(batch["labels"]), 8, 8))
        labels[:, 0] = -100
        batch["labels"] = labels
    return batches


def sounds() -> list[Any]:
    return [
        {
            "input_values": torch.randn(n, 64, dtype=torch.float64),
            "labels": torch.randint(3, (n,)),
        }
        for n in (1, 3)
    ]


def series() -> list[Any]:
    return [
        {
            "past_values": torch.randn(n, 16, 2, dtype=torch.float64),
            "labels": torch.randn(n, 4, 2, dtype=torch.float64),
        }
        for n in (1, 3)
    ]


def recordings() -> list[Any]:
    """Spectrograms and the words spoken."""
    return [
        {
            "input_features": torch.randn(n, 8, 16, dtype=torch.float64),
            "decoder_input_ids": torch.randint(3, 40, (n, 5)),
            "labels": torch.randint(3, 40, (n, 5)),
        }
        for n in (1, 3)
    ]


def image(kind: str, size: int = 8, **config: Any) -> Case:
    name = f"{kind}ForImageClassification"
    return case(name, config, pixels(size), ce, without_labels)


def sound(kind: str, **config: Any) -> Case:
    return case(f"{kind}ForSequenceClassification", config, sounds, ce, without_labels)


def classes_last(output: Any, batch: Any) -> Tensor:
    return ce(output["logits"].movedim(-1, 1), batch)


def boxes(output: Any, batch: Any) -> Tensor:
    """Of a detector: each query's class against the image's, and its box against the whole."""
    scores = output["logits"].log_softmax(-1)
    close = -scores[torch.arange(len(scores)), :, batch["labels"]].mean(1)
    return close + (output["pred_boxes"] - 0.5).square().mean((1, 2))


def alike(output: Any, batch: Any) -> Tensor:
    """Of two towers: how far each image is from its own words."""
    return 1 - (output["image_embeds"] * output["text_embeds"]).sum(-1)


def forecast(output: Any, batch: Any) -> Tensor:
    return mse(output["prediction_outputs"], batch)


def pairs() -> list[Any]:
    words = sentences()()
    return [{**a, **b} for a, b in zip(words, pixels(8)(), strict=True)]


def two_towers(family: str) -> Case:
    text = {**TEXT, "vocab_size": 40, "projection_dim": 8}
    config = {"text_config": text, "vision_config": VISION, "projection_dim": 8}
    return case(f"{family}Model", config, pairs, alike, without_labels)


CASES = [
    image("ViT", **VISION),
    image("DeiT", **VISION),
    image("ViTMSN", **VISION),
    image("Dinov2", **VISION, mlp_ratio=2),
    image("Beit", **VISION, use_relative_position_bias=True, use_mask_token=False),
    image("Data2VecVision", **VISION, use_shared_relative_position_bias=True),
    image("Swin", 16, image_size=16, patch_size=2, embed_dim=8, depths=[2, 1], num_heads=[2, 2],
          window_size=4, num_labels=3),
    image("Swinv2", 16, image_size=16, patch_size=2, embed_dim=8, depths=[2, 1], num_heads=[2, 2],
          window_size=4, num_labels=3),
    image("FocalNet", 16, image_size=16, patch_size=4, embed_dim=8, depths=[1, 1],
          focal_levels=[1, 1], focal_windows=[3, 3], hidden_sizes=[8, 16], num_labels=3),
    image("Hiera", 32, image_size=[32, 32], patch_size=[7, 7], patch_stride=[4, 4],
          patch_padding=[3, 3], embed_dim=8, depths=[1, 1], num_heads=[1, 2],
          query_stride=[2, 2], masked_unit_size=[4, 4], masked_unit_attention=[True, False],
          num_query_pool=1, num_labels=3),
    image("ConvNext", 16, **STAGES, num_stages=2),
    image("ConvNextV2", 16, **STAGES, num_stages=2),
    image("ResNet", 16, **STAGES, embedding_size=8, layer_type="bottleneck"),
    image("RegNet", 16, **{**STAGES, "hidden_sizes": [32, 48]}, embedding_size=16,
          groups_width=8, layer_type="y"),
    image("Bit", 16, **{**STAGES, "hidden_sizes": [32, 64]}, embedding_size=32, num_groups=8),
    image("MobileNetV1", 16, depth_multiplier=0.25, min_depth=4, num_labels=3, image_size=16),
    image("MobileNetV2", 16, depth_multiplier=0.25, min_depth=4, num_labels=3, image_size=16),
    image("EfficientNet", 32, image_size=32, width_coefficient=0.25, depth_coefficient=0.1,
          hidden_dim=320, num_labels=3),
    image("PoolFormer", 32, num_channels=3, depths=[1, 1], hidden_sizes=[8, 12],
          num_encoder_blocks=2, patch_sizes=[7, 3], strides=[4, 2], padding=[2, 1], num_labels=3),
    image("MobileViT", 64, image_size=64, patch_size=2, output_stride=8, hidden_sizes=[8, 12, 16],
          neck_hidden_sizes=[4, 8, 8, 12, 12, 16, 24], num_attention_heads=2, num_labels=3),
    image("Levit", 64, image_size=64, patch_size=16, hidden_sizes=[16, 24, 32],
          num_attention_heads=[2, 3, 4], depths=[1, 1, 1], key_dim=[4, 4, 4],
          num_labels=3),
    image("Pvt", 32, **{**PYRAMID, "patch_sizes": [4, 2]}, image_size=32,
          sequence_reduction_ratios=[2, 1]),
    image("PvtV2", 32, **PYRAMID, image_size=32, sr_ratios=[2, 1]),
    case("SegformerForSemanticSegmentation", {**PYRAMID, "sr_ratios": [2, 1],
         "decoder_hidden_size": 8}, maps, ce, without_labels),
    case("SegformerForImageClassification", {**PYRAMID, "sr_ratios": [2, 1]}, pixels(32), ce,
         None, given=None, label=", default loss"),
    case("YolosForObjectDetection",
         {**VISION, "image_size": [8, 8], "num_detection_tokens": 4}, pixels(8), boxes,
         without_labels),
    two_towers("CLIP"),
    two_towers("Siglip"),
    case("ViltForQuestionAnswering", {**TEXT, **VISION, "max_image_length": -1,
         "modality_type_vocab_size": 2}, pairs, ce, without_labels),
    sound("Wav2Vec2", **SOUND),
    sound("Hubert", **SOUND),
    sound("WavLM", **SOUND, num_buckets=8, max_bucket_distance=16),
    sound("UniSpeechSat", **SOUND),
    sound("Data2VecAudio", **SOUND),
    sound("SEW", **SOUND, squeeze_factor=2),
    case("Wav2Vec2ConformerForSequenceClassification", SOUND, sounds, ce, without_labels),
    case("ASTForAudioClassification", {**VISION, "max_length": 16, "num_mel_bins": 8,
         "frequency_stride": 4, "time_stride": 4},
         lambda: [{"input_values": torch.randn(n, 16, 8, dtype=torch.float64),
                   "labels": torch.randint(3, (n,))} for n in (1, 3)], ce, without_labels),
    case("WhisperForConditionalGeneration",
         {"vocab_size": 40, "d_model": 16, "num_mel_bins": 8, "encoder_layers": 1,
          "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
          "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_source_positions": 8,
          "max_target_positions": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
          "decoder_start_token_id": 1}, recordings, classes_last, without_labels),
    case("PatchTSTForPrediction", {"num_input_channels": 2, "context_length": 16,
         "prediction_length": 4, "patch_length": 4, "patch_stride": 4, "d_model": 16,
         "num_attention_heads": 2, "num_hidden_layers": 2, "ffn_dim": 24, "loss": "mse"},
         series, forecast, without_labels),
    case("PatchTSMixerForPrediction", {"num_input_channels": 2, "context_length": 16,
         "prediction_length": 4, "patch_length": 4, "patch_stride": 4, "d_model": 16,
         "num_layers": 2, "loss": "mse"}, series, forecast, without_labels),
]  # fmt: skip
