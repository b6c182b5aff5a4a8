#include "compress/tensor_record.h"

#include <gtest/gtest.h>

#include <cmath>

namespace nwc {
namespace {

TensorRecord encoded() {
  TensorRecord r;
  r.name = "model.layers.3.mlp.experts.7.up_proj.weight";
  r.dtype = DType::kBF16;
  r.shape = {4, 8};
  r.weights = 32;
  r.payload_bytes = 16;
  r.side_bytes = 4;
  r.columns_per_level = {7, 1};
  r.own_tables = true;
  r.table_rule = 2;
  TensorRecord::Encoding& e = r.encoding.emplace();
  e.statistics = {.weights = 32,
                  .payload_bytes = 16,
                  .table_bits = 120.5,
                  .squared_error = 0.25,
                  .squared_weight = 8,
                  .normalised_squared_error = 1.5,
                  .weighted_error = 2.5,
                  .escapes = 1,
                  .patches = 2};
  e.notes.damping = 0.01;
  e.notes.unseen_matrices = {5};
  e.seconds = 0.5;
  return r;
}

std::vector<std::string> keys_of(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

TEST(TensorRecord, JsonInFull) {
  TensorRecord r = encoded();
  r.encoding->recovery = {0.5, 0.25};
  EXPECT_EQ(to_json(r).dump(),
            R"({"name":"model.layers.3.mlp.experts.7.up_proj.weight","dtype":"BF16","shape":[4,8],"weights":32,)"
            R"("block":3,"layer":"mlp.experts.*.up_proj","payload_bytes":16,"side_bytes":4,)"
            R"("payload_bits_per_weight":4.0,"bits_per_weight":5.0,"columns_per_level":[7,1],"own_tables":true,)"
            R"("table_rule":2,)"
            R"("nmse":0.03125,"worst_column_nmse":null,"hessian_weighted_error":null,)"
            R"("diagonal_error_correlation":null,"squared_error":0.25,)"
            R"("squared_weight":8.0,"normalised_squared_error":1.5,"weighted_error":2.5,"table_bits":120.5,)"
            R"("escapes":1,"patches":2,"damping":0.01,"unseen_matrices":[5],"seconds":0.5,)"
            R"("block_error":{"before_recovery":0.5,"after_recovery":0.25}})");
}

TEST(TensorRecord, HasTheSameKeysWhateverIsKnown) {
  TensorRecord read;  // as inspect finds it
  read.name = "lm_head.weight";
  read.dtype = DType::kF32;
  const Json json = to_json(read);
  EXPECT_EQ(keys_of(json), keys_of(to_json(encoded())));
  for (const char* key : {"block", "nmse", "escapes", "seconds", "block_error"})
    EXPECT_TRUE(json[key].is_null()) << key;
  read.measured = {.nmse = 0.125, .hessian_error = 0.5, .diagonal_error_correlation = {}};
  EXPECT_EQ(keys_of(to_json(read)), keys_of(json));
  EXPECT_EQ(to_json(read)["nmse"], 0.125);
  EXPECT_EQ(to_json(read)["hessian_weighted_error"], 0.5);
}

TEST(TensorRecord, ThereAndBack) {
  TensorRecord r = encoded();
  for (int recovery = 0; recovery < 2; ++recovery) {
    const Result<TensorRecord> back = tensor_record_from(*parse_json(to_json(r).dump()));
    ASSERT_TRUE(back) << back.error().to_string();
    EXPECT_EQ(to_json(*back), to_json(r));
    EXPECT_EQ(back->encoding->statistics.weights, 32u);
    r.encoding->recovery = {0.5, 0.25};
  }
  r.encoding.reset();
  EXPECT_FALSE(tensor_record_from(to_json(r))->encoding);
}

// What a part of an unfinished run keeps must come back whatever it is: else its block is never done.
TEST(TensorRecord, NumbersThatAreNotFinite) {
  TensorRecord r = encoded();
  r.encoding->statistics.weighted_error = NAN;
  r.encoding->seconds = INFINITY;
  r.encoding->recovery = {NAN, 0.25};
  const Result<TensorRecord> back = tensor_record_from(*parse_json(to_json(r).dump()));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_TRUE(std::isnan(back->encoding->statistics.weighted_error));
  EXPECT_EQ(back->encoding->seconds, INFINITY);
  EXPECT_TRUE(std::isnan(back->encoding->recovery->error_before));
  EXPECT_EQ(back->encoding->recovery->error_after, 0.25);
}

TEST(TensorRecord, WhatIsNoneIsRefused) {
  const Json good = to_json(encoded());
  for (const auto& [key, value] : good.items()) {
    if (value.is_null() || key == "block" || key == "layer" || key.ends_with("per_weight") || key == "nmse") continue;
    Json bad = good;
    bad[key] = Json::array({Json::object()});
    EXPECT_EQ(tensor_record_from(bad).error().code(), ErrorCode::kCorrupt) << key;
  }
  EXPECT_EQ(tensor_record_from(Json::array()).error().code(), ErrorCode::kCorrupt);
}

TEST(TensorRecord, Totals) {
  const TensorRecord records[] = {encoded(), encoded(), {}};
  const CompressionTotals totals = totals_of(records);
  EXPECT_EQ(totals.statistics.weights, 64u);
  EXPECT_EQ(totals.statistics.payload_bytes, 32u);
  EXPECT_EQ(totals.statistics.squared_error, 0.5);
  EXPECT_EQ(totals.statistics.patches, 4u);
  EXPECT_EQ(totals.side_bytes, 8u);
}

}  // namespace
}  // namespace nwc
