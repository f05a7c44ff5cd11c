"""Families of transformers, each by a small random configuration; skipped where not installed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from .case import Case, causal, ce, token_ce

VOCABULARY = 40
TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""Names of sizes that most configurations share."""

GROUPED = {**TEXT, "num_key_value_heads": 1, "head_dim": 8, "tie_word_embeddings": False}
EXPERTS = {
    **GROUPED,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 8,
    "shared_expert_intermediate_size": 8,
    "experts_implementation": "eager",
}
GPT = {
    "vocab_size": VOCABULARY,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": 16,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
PAIR = {
    "vocab_size": VOCABULARY,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
SINGLE = {"double": False, "tolerance": 2e-3}
"""For what has no float64."""

T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 1,
    "num_heads": 2,
    "decoder_start_token_id": 0,
}


def network(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """A model class of transformers, of its configuration class with these values."""
    transformers = pytest.importorskip("transformers")
    family = re.sub(r"(For[A-Z]\w+|(LMHead)?Model)$", "", kind.replace("RoFormer", "Roformer"))
    family = family.replace("Roformer", "RoFormer")
    return getattr(transformers, kind)(getattr(transformers, f"{family}Config")(**config))


def sentences(classes: int = 2) -> Callable[[], list[Any]]:
    def make() -> list[Any]:
        batches = []
        for n in (1, 3):
            ids = torch.randint(3, VOCABULARY, (n, 8))
            mask = torch.ones_like(ids)
            if n > 1:
                mask[1, 6:] = 0
                ids[1, 6:] = 0
            ids[torch.arange(n), mask.sum(1) - 1] = 2
            labels = torch.randint(classes, (n,))
            batches.append({"input_ids": ids, "attention_mask": mask, "labels": labels})
        return batches

    return make


def texts() -> list[Any]:
    ids = [torch.randint(3, VOCABULARY, (n, 8)) for n in (1, 2)]
    return [{"input_ids": part, "labels": part.clone()} for part in ids]


def tagged() -> list[Any]:
    batches = sentences()()
    for batch in batches:
        labels = torch.randint(2, batch["input_ids"].shape)
        batch["labels"] = labels.masked_fill(batch["attention_mask"] == 0, -100)
    return batches


def translations() -> list[Any]:
    batches = sentences()()
    for batch in batches:
        labels = torch.randint(3, VOCABULARY, (len(batch["input_ids"]), 5))
        labels[:, 4:] = torch.where(torch.arange(len(labels))[:, None] % 2 == 1, -100, 2)
        batch["labels"] = labels
    return batches


def without_labels(model: nn.Module, batch: Mapping[str, Any]) -> Any:
    return model(**{name: value for name, value in batch.items() if name != "labels"})


def ids_alone(model: nn.Module, batch: Mapping[str, Any]) -> Any:
    return model(input_ids=batch["input_ids"])


def uncached(model: nn.Module, batch: Mapping[str, Any]) -> Any:
    return model(input_ids=batch["input_ids"], use_cache=False)


def started(model: nn.Module, batch: Mapping[str, Any]) -> Any:
    """Encoder and decoder, the labels moved on by one as the decoder's input."""
    start = torch.full_like(batch["labels"][:, :1], 1)
    before = torch.cat([start, batch["labels"][:, :-1]], 1).clamp(min=0)
    rest = {name: value for name, value in batch.items() if name != "labels"}
    return model(**rest, decoder_input_ids=before, use_cache=False)


def case(
    kind: str,
    config: Mapping[str, Any],
    batches: Callable[[], list[Any]],
    loss: Callable[[Any, Any], Tensor],
    forward: Callable[[nn.Module, Any], Any] | None,
    *,
    label: str = "",
    **more: Any,
) -> Case:
    """A family; its float32 islands (rotary angles, norms) round at 1e-7."""
    return Case(
        f"{kind} of transformers{label}",
        lambda: network(kind, config),
        batches,
        loss,
        forward,
        slow=True,
        **{"tolerance": 1e-4, **more},
    )


def encoder(kind: str, **config: Any) -> Case:
    return case(f"{kind}ForSequenceClassification", config, sentences(), ce, without_labels)


def decoder(kind: str, *, suffix: str = "ForCausalLM", **config: Any) -> Case:
    return case(f"{kind}{suffix}", config, texts, causal, uncached)


def pair(kind: str, **config: Any) -> Case:
    name = f"{kind}ForConditionalGeneration"
    return case(name, config, translations, token_ce, started)


ENCODERS = [
    encoder("Bert", **TEXT),
    encoder("Roberta", **{**TEXT, "max_position_embeddings": 20}),
    encoder("DistilBert", vocab_size=40, dim=16, n_layers=2, n_heads=2, hidden_dim=24,
            max_position_embeddings=16),
    encoder("Albert", **TEXT, embedding_size=8),
    encoder("Electra", **TEXT, embedding_size=8),
    encoder("XLNet", vocab_size=40, d_model=16, n_layer=2, n_head=2, d_inner=24),
    encoder("DebertaV2", **TEXT, relative_attention=True, pos_att_type=["p2c", "c2p"],
            position_buckets=4, norm_rel_ebd="layer_norm", share_att_key=False),
    encoder("MPNet", **{**TEXT, "max_position_embeddings": 20}),
    encoder("ConvBert", **TEXT, embedding_size=16, conv_kernel_size=3, head_ratio=1),
    encoder("FNet", vocab_size=40, hidden_size=16, num_hidden_layers=2, intermediate_size=24,
            max_position_embeddings=16, pad_token_id=0),
    encoder("Funnel", vocab_size=40, d_model=16, n_head=2, d_head=8, d_inner=24,
            block_sizes=[1, 1], num_decoder_layers=1),
    encoder("BigBird", **TEXT, attention_type="original_full"),
    encoder("Longformer", **{**TEXT, "max_position_embeddings": 20}, attention_window=4),
    case("NystromformerForSequenceClassification", {**TEXT, "num_landmarks": 4,
         "segment_means_seq_len": 8, "conv_kernel_size": 3}, sentences(), ce, ids_alone),
    encoder("RoFormer", **TEXT, embedding_size=16),
    encoder("MobileBert", **TEXT, embedding_size=8, true_hidden_size=16,
            intra_bottleneck_size=16, num_feedforward_networks=2),
    encoder("SqueezeBert", **TEXT, embedding_size=16, q_groups=2, k_groups=2, v_groups=2,
            post_attention_groups=1, intermediate_groups=2, output_groups=2),
    encoder("ModernBert", **TEXT, local_attention=4, global_attn_every_n_layers=2),
    encoder("Esm", **{**TEXT, "max_position_embeddings": 20}, position_embedding_type="rotary"),
    encoder("Ernie", **TEXT),
    encoder("LayoutLM", **TEXT, max_2d_position_embeddings=16),
    encoder("Camembert", **{**TEXT, "max_position_embeddings": 20}),
]  # fmt: skip

DECODERS = [
    decoder("GPT2", suffix="LMHeadModel", **GPT),
    decoder("GPTNeo", vocab_size=40, hidden_size=16, num_layers=2, num_heads=2,
            attention_types=[[["global", "local"], 1]], window_size=4, intermediate_size=24,
            max_position_embeddings=16),
    decoder("GPTNeoX", **TEXT),
    decoder("GPTJ", **GPT, rotary_dim=4),
    decoder("CodeGen", **{**GPT, "n_head": 4, "n_embd": 32}, rotary_dim=4, n_ctx=16),
    decoder("OpenAIGPT", suffix="LMHeadModel", **GPT),
    decoder("OPT", vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            ffn_dim=24, max_position_embeddings=16, word_embed_proj_dim=8),
    decoder("Bloom", vocab_size=40, hidden_size=16, n_layer=2, n_head=2),
    decoder("Falcon", **TEXT, new_decoder_architecture=False),
    decoder("Mpt", d_model=16, n_heads=2, n_layers=2, vocab_size=40, max_seq_len=16),
    decoder("BioGpt", **TEXT),
    case("XGLMForCausalLM", {"vocab_size": 40, "d_model": 16, "num_layers": 2,
         "attention_heads": 2, "ffn_dim": 24, "max_position_embeddings": 16}, texts, causal,
         uncached, **SINGLE),
    case("MixtralForCausalLM", {**EXPERTS, "experts_implementation": "grouped_mm"}, texts,
         causal, uncached, label=", grouped products", **SINGLE),
    case("Qwen3MoeForCausalLM", {**EXPERTS, "experts_implementation": "batched_mm"}, texts,
         causal, uncached, label=", batched products"),
    decoder("Llama", **GROUPED),
    decoder("Mistral", **GROUPED, sliding_window=4),
    decoder("Qwen2", **GROUPED),
    decoder("Qwen3", **GROUPED),
    decoder("Gemma", **{**GROUPED, "tie_word_embeddings": True}),
    decoder("Gemma2", **{**GROUPED, "tie_word_embeddings": True}, sliding_window=4),
    decoder("Phi", **TEXT, partial_rotary_factor=0.5),
    decoder("Phi3", **GROUPED),
    decoder("StableLm", **GROUPED),
    decoder("Starcoder2", **GROUPED),
    decoder("Olmo2", **GROUPED),
    decoder("Cohere", **GROUPED),
    decoder("Granite", **GROUPED),
    decoder("Mixtral", **EXPERTS),
    decoder("Qwen2Moe", **EXPERTS),
    decoder("Qwen3Moe", **EXPERTS),
    decoder("GraniteMoe", **EXPERTS),
    decoder("Olmoe", **EXPERTS),
    decoder("GptOss", **EXPERTS, sliding_window=4),
    decoder("DeepseekV3", **{**EXPERTS, "head_dim": 4}, n_routed_experts=4, n_group=2,
            topk_group=1, q_lora_rank=8, kv_lora_rank=8, qk_rope_head_dim=4,
            qk_nope_head_dim=4, v_head_dim=8,
            first_k_dense_replace=1),
    decoder("JetMoe", vocab_size=40, hidden_size=16, num_hidden_layers=2, num_key_value_heads=2,
            kv_channels=4, intermediate_size=24, num_local_experts=4, num_experts_per_tok=2,
            max_position_embeddings=16),
    decoder("Mamba", vocab_size=40, hidden_size=16, num_hidden_layers=2, state_size=4,
            time_step_rank=2),
    decoder("Mamba2", vocab_size=40, hidden_size=16, num_hidden_layers=2, state_size=4,
            num_heads=4, head_dim=8, n_groups=1, chunk_size=4),
    decoder("RecurrentGemma", **GROUPED, lru_width=16, attention_window_size=4,
            block_types=["recurrent", "attention"]),
    decoder("Rwkv", vocab_size=40, hidden_size=16, attention_hidden_size=16,
            num_hidden_layers=2, intermediate_size=24, context_length=16, rescale_every=0),
]  # fmt: skip

PAIRS = [
    pair("T5", **T5),
    pair("MT5", **{**T5, "feed_forward_proj": "gated-gelu"}),
    pair("SwitchTransformers", **T5, num_experts=4, num_decoder_layers=1,
         num_sparse_encoder_layers=1, num_sparse_decoder_layers=1, expert_capacity=64),
    pair("Bart", **PAIR),
    pair("MBart", **PAIR),
    pair("Pegasus", **PAIR),
    pair("Blenderbot", **PAIR),
    case("ProphetNetForConditionalGeneration", {"vocab_size": 40, "hidden_size": 16,
         "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "num_encoder_layers": 1,
         "num_decoder_layers": 1, "num_encoder_attention_heads": 2,
         "num_decoder_attention_heads": 2, "max_position_embeddings": 16, "ngram": 2},
         translations, token_ce, started, **SINGLE),
]  # fmt: skip

DEFAULTS = [
    case("BertForSequenceClassification", {**TEXT, "num_labels": 2}, sentences(), ce, None,
         given=None, label=", default loss"),
    case("BertForTokenClassification", {**TEXT, "num_labels": 2}, tagged, token_ce, None,
         given=None, label=", default loss"),
    case("GPT2LMHeadModel", GPT, texts, causal, None, given=None, label=", default loss"),
    case("LlamaForCausalLM", GROUPED, texts, causal, None, given=None, label=", default loss"),
    case("T5ForConditionalGeneration", T5, translations, token_ce, None, given=None,
         label=", default loss"),
]  # fmt: skip

CASES = [*ENCODERS, *DECODERS, *PAIRS, *DEFAULTS]
