// Every family's table of keys beside transformers' own class: tests/data/config/expected.json, which make_expected.py
// there writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "model/config/config_keys.h"
#include "model/config/rope_config.h"
#include "model/families/family.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

// Fields of transformers' classes that no forward pass of ours depends on.
const std::set<std::string> kWithoutEffect{
    "apply_layernorm",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "boi_token_index",
    "bos_token_id",
    "embd_pdrop",
    "embedding_dropout",
    "num_mtp_layers",
    "resid_pdrop",
    "residual_dropout",
    "drop_path_rate",
    "eoi_token_index",
    "hidden_dropout_prob",
    "image_token_index",
    "initializer_factor",
    "initializer_range",
    "layerscale_value",
    "logit_scale_init_value",
    "mm_tokens_per_image",
    "output_router_logits",
    "pad_token_id",
    "pretraining_tp",
    "reshape_hidden_states",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "use_cache",
    "use_mask_token",
    "_out_features",
    "_out_indices",
};
// Of language models, what follows the last token is read elsewhere (family.cc): with the generation's configuration.
// The towers of CLIP have a projection_dim too, which only models of one tower use.
const std::set<std::string> kReadElsewhere{"eos_token_id", "projection_dim", "text_config", "vision_config"};

const Json& expected() {
  static const Json document = [] {
    const Result<std::string> text =
        read_text_file(NWC_SOURCE_DIR "/tests/data/config/expected.json", limits::kMaxJsonFile);
    EXPECT_TRUE(text) << text.error().to_string();
    Result<Json> json = parse_json(*text);
    EXPECT_TRUE(json) << json.error().to_string();
    return *std::move(json);
  }();
  return document.at("families");
}

// The table of a model_type, also of one that stands inside another family's configuration.
const FamilyKeys* table_of(const std::string& model_type) {
  for (const Family* family : families()) {
    if (family->model_type == model_type) return family->keys;
  }
  const bool text = model_type.ends_with("_text_model");
  const FamilyKeys* outer = table_of(model_type.substr(0, model_type.find('_')));
  return outer->parts[text ? 0 : 1].keys;
}

const Family& family_of(const std::string& model_type) {
  for (const Family* family : families()) {
    if (family->model_type == model_type) return *family;
  }
  ADD_FAILURE() << model_type;
  return *families().front();
}

ConfigObject parsed(const Json& json) { return *ConfigObject::parse(json.dump(), "config.json"); }

// null where the key has no value.
Json completed_value(const FamilyKeys& table, const Json& config, const std::string& key) {
  const Result<ConfigObject> full = completed(parsed(config), table);
  EXPECT_TRUE(full) << full.error().to_string();
  return full && full->has(key) ? full->json()[key] : Json();
}

// The error of a family's description, or nothing. A tower stands in its family's small configuration.
std::string refusal(const std::string& model_type, Json config) {
  std::string whole = model_type;
  if (model_type.ends_with("_model")) {
    whole = model_type.substr(0, model_type.find('_'));
    Json outer = expected().at(whole).at("small");
    outer[model_type.find("_text_") != std::string::npos ? "text_config" : "vision_config"] = std::move(config);
    config = std::move(outer);
  }
  const Family& family = family_of(whole);
  const Result<ConfigObject> full = completed(parsed(config), *family.keys);
  if (!full) return full.error().to_string();
  if (family.describe != nullptr) {
    const Result<ModelSpec> spec = family.describe(*full);
    return spec ? "" : spec.error().to_string();
  }
  const Result<EncoderModelSpec> spec = family.describe_encoder(*full);
  return spec ? "" : spec.error().to_string();
}

// Regardless of the order of members.
nlohmann::json unordered(const Json& json) { return nlohmann::json::parse(json.dump()); }

TEST(FamilyKeysTest, EveryFamilyHasATableThatTheReferenceKnows) {
  for (const Family* family : families()) {
    ASSERT_NE(family->keys, nullptr) << family->model_type;
    EXPECT_TRUE(expected().contains(std::string(family->model_type)))
        << family->model_type << ": run tests/data/config/make_expected.py with this family";
  }
}

TEST(FamilyKeysTest, EveryFieldIsInTheTableOrWithoutEffect) {
  for (const auto& [model_type, entry] : expected().items()) {
    std::set<std::string> known = kWithoutEffect;
    for (const ConfigKey& key : table_of(model_type)->keys) known.emplace(key.name);
    for (const OtherName& other : table_of(model_type)->other_names) known.emplace(other.name);
    for (const auto& [field, value] : entry.at("fields").items()) {
      EXPECT_TRUE(known.contains(field) || kReadElsewhere.contains(field)) << model_type << " " << field;
    }
  }
}

TEST(FamilyKeysTest, AbsentKeysHaveTheirDefaults) {
  for (const auto& [model_type, entry] : expected().items()) {
    for (const ConfigKey& key : table_of(model_type)->keys) {
      const std::string name(key.name);
      if (name == "rope_parameters") continue;  // standardised: a matter of the cases
      const Json value = completed_value(*table_of(model_type), Json::object(), name);
      const Json stated = entry.at("fields").value(name, Json()), resolved = entry.at("resolved").value(name, Json());
      if (stated.is_null() && value.is_null()) continue;  // what the code makes of nothing, the cases show
      EXPECT_EQ(value, stated.is_null() ? resolved : stated) << model_type << " " << name;
    }
  }
}

TEST(FamilyKeysTest, NullMeansWhatItMeansThere) {
  for (const auto& [model_type, entry] : expected().items()) {
    for (const ConfigKey& key : table_of(model_type)->keys) {
      const std::string name(key.name);
      Json config = entry.at("small");
      config[name] = nullptr;
      const Json& there = entry.at("nulls").at(name);
      const std::string here = refusal(model_type, config);
      EXPECT_EQ(here.empty(), !there.contains("refused")) << model_type << " " << name << ": " << here << there;
      if (!here.empty()) {
        EXPECT_NE(here.find(name), std::string::npos) << here;
      } else if (const Json value = completed_value(*table_of(model_type), config, name);
                 !value.is_null() && name != "rope_parameters") {
        const Json wanted = there.value("value", Json());
        EXPECT_TRUE(value == wanted || (wanted.is_null() && value == false)) << model_type << " " << name << value;
      }
    }
  }
}

TEST(FamilyKeysTest, OtherNamesAreTheirs) {
  for (const auto& [model_type, entry] : expected().items()) {
    std::set<std::string> known;
    for (const ConfigKey& key : table_of(model_type)->keys) known.emplace(key.name);
    std::set<std::pair<std::string, std::string>> wanted, found;
    for (const auto& [name, standard] : entry.at("other_names").items()) {
      const std::string standard_name = standard;
      // The one that is a field is the key.
      if (known.contains(name)) wanted.emplace(standard_name, name);
      if (known.contains(standard_name)) wanted.emplace(name, standard_name);
    }
    for (const OtherName& other : table_of(model_type)->other_names) found.emplace(other.name, other.key);
    EXPECT_EQ(found, wanted) << model_type;
  }
}

int64_t dense_width(const MlpSpec& mlp) {
  if (const auto* fused = std::get_if<FusedGateMlpSpec>(&mlp)) return fused->gate_up.out_features / 2;
  if (const auto* plain = std::get_if<PlainMlpSpec>(&mlp)) return plain->up.out_features;
  return std::get<GatedMlpSpec>(mlp).gate.out_features;
}

// What a described model has, in the words of make_expected.py.
Json values_of(const ModelSpec& spec) {
  const AttentionSpec& attention = spec.blocks.front().attention;
  Json values = {{"vocab_size", spec.vocab_size},
                 {"hidden_size", spec.hidden_size},
                 {"blocks", spec.blocks.size()},
                 {"heads", attention.heads},
                 {"kv_heads", attention.kv_heads},
                 {"head_dim", attention.head_dim},
                 {"positions", spec.max_positions},
                 {"eps", spec.final_norm.eps},
                 {"tied", spec.head.weight == spec.embedding},
                 {"qkv_bias", !(attention.latent ? attention.latent->down : attention.q).bias.empty()},
                 {"o_bias", !attention.o.bias.empty()},
                 {"score_cap", attention.softcap ? Json(*attention.softcap) : Json()},
                 {"logit_cap", spec.logit_softcap ? Json(*spec.logit_softcap) : Json()},
                 {"turns", Json::array()},
                 {"windows", Json::array()},
                 {"experts", Json::array()},
                 {"widths", Json::array()}};
  for (const BlockSpec& block : spec.blocks) {
    values["windows"].push_back(block.attention.window ? Json(*block.attention.window) : Json());
    const MixtureSpec* mixture = std::get_if<MixtureSpec>(&block.mlp);
    values["experts"].push_back(mixture ? Json(mixture->experts.size()) : Json());
    values["turns"].push_back(block.attention.rope.has_value());
    values["widths"].push_back(mixture ? Json() : Json(dense_width(block.mlp)));
    if (mixture == nullptr) continue;
    values["experts_per_token"] = mixture->experts_per_token;
    values["renormalise"] = mixture->renormalise;
    values["expert_width"] = std::visit([](const auto& mlp) { return mlp.down.in_features; }, mixture->experts[0]);
  }
  return values;
}

// The parameters in force, as transformers standardises them.
Result<ConfigObject> rope_of(const std::string& model_type, const ConfigObject& full) {
  if (model_type == "gemma3_text") return standard_layer_ropes(full, 0, 0);
  if (model_type == "olmo3") return standard_layer_ropes(full, 5e5, 5e5, "");
  if (model_type == "phi3") return standard_rope(full, {.partial = 1, .only_long = true});
  if (model_type == "glm" || model_type == "glm4") return standard_rope(full, {.partial = 0.5});
  if (model_type != "gemma3") return standard_rope(full);
  NWC_ASSIGN_OR_RETURN(const ConfigObject text, full.object("text_config"));
  return standard_layer_ropes(text, 0, 0);
}

// What we refuse although transformers takes it, by our message.
constexpr const char* kRefusedHereOnly[] = {
    "head_dim' is 1; it must lie between 2",          // of as many heads as features, which cannot rotate
    "full_attention' gives a layer type parameters",  // where transformers ignores them
    "swiglu_alpha' is 1; known is 1.702",
    "mlp_bias' must be false",  // DeepSeek V2's shared experts
    "norm_topk_prob' must be null or false",
    "latent attention has as many as there are heads",
    "which does not divide the hidden size of 32",     // where transformers rounds
    "final_logit_softcapping' must be null or false",  // ignored there, in part of Gemma 3
    "attn_logit_softcapping' must be null or false",
};
// What we take although transformers 5 refuses it: it has only one meaning, or none in the family.
constexpr const char* kTakenHereOnly[] = {
    R"({"rms_norm_eps":1})",
    R"({"num_hidden_layers":4.0})",
    R"(mixtral {"rope_scaling":{)",  // fails on a head_dim that is null in its class
    R"(mixtral {"rope_parameters":{"long_factor":)",
    "ministral {\"head_dim\":\"(drop)\"}",
    R"(mixtral {"original_max_position_embeddings":32,"rope_scaling":{)",
    R"(phi3 {"partial_rotary_factor":null})",
    R"(phi3 {"original_max_position_embeddings":64,"rope_scaling":{"long_factor")",  // under its old name
    R"(qwen3_moe {"layer_types":[)",                                                 // which only the cache reads
    R"({"head_dim":16})",  // DeepSeek V3 breaks, whose heads have other sizes
    R"({"layer_types":["full_attention"]})",
    R"({"layer_types":["chunked_attention","chunked_attention","chunked_attention","chunked_attention"]})",
    R"("sliding_attention","full_attention"],"sliding_window_pattern":3})",
    // Of layer types' parameters, where the flat ones are ignored.
    R"("rope_parameters":{"rope_theta":7.0,"rope_type":"default"},"rope_scaling":{"factor":4.0,"rope_type":"linear"})",
};

template <size_t n>
bool any_in(const char* const (&list)[n], const std::string& text) {
  return std::any_of(list, list + n, [&](const char* part) { return text.find(part) != std::string::npos; });
}

// As make_expected.py changes a configuration.
Json changed(Json config, const Json& change) {
  for (const auto& [key, value] : change.items()) {
    if (key == "text_config") {
      config[key] = changed(config[key], value);
    } else if (value == "(drop)") {
      config.erase(key);
    } else {
      config[key] = value;
    }
  }
  return config;
}

TEST(FamilyKeysTest, CasesComeOutAsThere) {
  size_t compared = 0;
  for (const auto& [model_type, entry] : expected().items()) {
    if (!entry.contains("cases")) continue;
    const nlohmann::json first = unordered(entry.at("cases").front().at("values"));
    for (const Json& each : entry.at("cases")) {
      const Json config = changed(entry.at("small"), each.at("change"));
      const std::string name = model_type + " " + each.at("change").dump();
      const std::string here = refusal(model_type, config);
      if (each.contains("refused") || !here.empty()) {
        if (each.contains("refused") && !here.empty()) continue;
        const bool known = here.empty() ? any_in(kTakenHereOnly, name) : any_in(kRefusedHereOnly, here);
        EXPECT_TRUE(known) << name << "\n  here: " << here << "\n  there: " << each.value("refused", "taken");
        continue;
      }
      const ConfigObject full = *completed(parsed(config), *table_of(model_type));
      const ModelSpec spec = *family_of(model_type).describe(full);
      nlohmann::json there = first;  // but for what the case says
      there.update(unordered(each.at("values")));
      EXPECT_DOUBLE_EQ(there.at("scaling"), spec.blocks.front().attention.scale) << name;
      const Result<ConfigObject> rope = rope_of(model_type, full);
      ASSERT_TRUE(rope) << name << rope.error().to_string();
      EXPECT_EQ(there.at("rope"), unordered(rope->json())) << name;
      there.erase("scaling");
      there.erase("rope");
      const nlohmann::json here_values = unordered(values_of(spec));
      for (const auto& [key, value] : there.items()) EXPECT_EQ(here_values.value(key, nlohmann::json()), value) << name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 500u);
}

}  // namespace
}  // namespace nwc
