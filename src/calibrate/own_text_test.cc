#include "calibrate/own_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "calibrate/calibrate.h"
#include "calibrate/labels.h"
#include "guide/hessian_file.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "support/temp_dir.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using Sequences = std::vector<CalibrationSequences::Sequence>;

class OwnText : public ::testing::Test {
 protected:
  OwnText() { testing::write_toy_checkpoint(model_, testing::toy_tensors(1)); }
  CausalLm open() const { return *CausalLm::open(model_.path(), {.residency = Residency::kAll, .threads = 1}); }
  CalibrateOptions options(const std::string& output) const {
    return {.model = model_.path(),
            .output = directory_.path() / output,
            .sequences = 4,
            .length = 16,
            .held_out = 2,
            .gradients = true,
            .threads = 1};
  }
  std::string bytes_of(const std::string& output, const std::string& file) const {
    return testing::read_file(directory_ / output / file);
  }

  testing::TempDir directory_, model_;
  const CalibrationText own_{.name = "self", .ids = {3}, .own = true};
};

// Pearson's statistic of the tokens after any second one, and of the second ones, which are drawn from all alike.
TEST_F(OwnText, TokensHaveTheModelsDistribution) {
  const torch::NoGradGuard no_gradients;
  const CausalLm model = open();
  constexpr int kSequences = 10000;
  for (const double temperature : {1.0, 0.5}) {
    const Sequences sequences = *write_own_text(
        model, {.beginning = {3}, .sequences = kSequences, .length = 3, .temperature = temperature, .at_once = 5000},
        {});
    std::vector<std::vector<int64_t>> counts(testing::kToyVocab, std::vector<int64_t>(testing::kToyVocab));
    for (const auto& sequence : sequences) ++counts[static_cast<size_t>(sequence[1])][static_cast<size_t>(sequence[2])];
    const auto chi_square = [](double count, double wanted) { return (count - wanted) * (count - wanted) / wanted; };
    double of_seconds = 0, of_pairs = 0, rare = 0, rare_wanted = 0;
    for (int64_t a = 0; a < testing::kToyVocab; ++a) {
      at::Tensor hidden = (*model.embedding())->forward(torch::tensor({{int64_t{3}, a}}, torch::kInt64).view({1, 2}));
      for (size_t b = 0; b < model.blocks(); ++b) hidden = (*model.block(b))->forward(hidden, {});
      const at::Tensor next =
          torch::softmax((*model.head())->forward(hidden)[0][-1].to(torch::kFloat64) / temperature, 0).contiguous();
      double with_a = 0;
      for (int64_t b = 0; b < testing::kToyVocab; ++b) {
        const auto count = static_cast<double>(counts[static_cast<size_t>(a)][static_cast<size_t>(b)]);
        const double wanted = kSequences * next[b].item<double>() / testing::kToyVocab;
        with_a += count;
        if (wanted >= 5) of_pairs += chi_square(count, wanted);
        if (wanted < 5) rare += count, rare_wanted += wanted;
      }
      of_seconds += chi_square(with_a, double{kSequences} / testing::kToyVocab);
    }
    if (rare_wanted > 0) of_pairs += chi_square(rare, rare_wanted);
    EXPECT_LT(of_seconds, 37.7) << "0.1 % of fair samples are beyond";
    EXPECT_LT(of_pairs, 330.5) << "0.1 % of fair samples are beyond; rare: " << rare << " of " << rare_wanted;
  }
}

TEST_F(OwnText, IsDocumentsOneAfterAnother) {
  const CausalLm model = open();
  OwnTextOptions o{.beginning = {3}, .sequences = 5, .length = 25, .document = 10, .seed = 5};
  const Sequences sequences = *write_own_text(model, o, {});
  ASSERT_EQ(sequences.size(), 5u);
  o.sequences = 15;
  o.length = 10;
  const Sequences documents = *write_own_text(model, o, {});
  for (size_t i = 0; i < 5; ++i) {
    CalibrationSequences::Sequence wanted;
    for (size_t d = 0; d < 3; ++d)
      wanted.insert(wanted.end(), documents[3 * i + d].begin(), documents[3 * i + d].end());
    wanted.resize(25);
    EXPECT_EQ(sequences[i], wanted);
  }
}

TEST_F(OwnText, IsTheSameHoweverItIsWritten) {
  const CausalLm model = open();
  OwnTextOptions o{.beginning = {3}, .sequences = 7, .length = 40, .document = 16, .seed = 5};
  const Sequences wanted = *write_own_text(model, o, {});
  ASSERT_EQ(wanted.size(), 7u);
  for (const auto& sequence : wanted) {
    EXPECT_EQ(sequence.size(), 40u);
    EXPECT_EQ(sequence[0], 3);
    EXPECT_TRUE(
        std::all_of(sequence.begin(), sequence.end(), [](int32_t id) { return id >= 0 && id < testing::kToyVocab; }));
  }
  EXPECT_NE(wanted[0], wanted[1]);
  for (const int64_t at_once : {1, 2, 7, 100}) {
    o.at_once = at_once;
    EXPECT_EQ(*write_own_text(model, o, {}), wanted) << at_once;
  }
  o.at_once = 0;
  for (const int threads : {1, 2, 5}) {
    o.threads = threads;
    EXPECT_EQ(*write_own_text(model, o, {}), wanted) << threads << " threads";
  }
  set_compute_threads(1);
  o.threads = 0;
  o.sequences = 3;
  EXPECT_EQ(*write_own_text(model, o, {}), Sequences(wanted.begin(), wanted.begin() + 3)) << "more come behind";
  o.seed = 6;
  EXPECT_NE((*write_own_text(model, o, {}))[0], wanted[0]);
}

TEST_F(OwnText, BeginsWithWhatItIsGivenOrAnyToken) {
  const CausalLm model = open();
  const Sequences random = *write_own_text(model, {.sequences = 40, .length = 5}, {});
  std::vector<int32_t> first;
  for (const auto& sequence : random) first.push_back(sequence[0]);
  std::sort(first.begin(), first.end());
  EXPECT_GT(std::unique(first.begin(), first.end()) - first.begin(), 8);
  EXPECT_EQ(*write_own_text(model, {.beginning = {4, 5, 6}, .sequences = 1, .length = 2}, {}), (Sequences{{4, 5}}));
  first.clear();
  const Sequences after_two = *write_own_text(model, {.beginning = {4, 5}, .sequences = 40, .length = 5}, {});
  for (const auto& sequence : after_two) {
    EXPECT_EQ(sequence[0], 4);
    EXPECT_EQ(sequence[1], 5);
    first.push_back(sequence[2]);
  }
  std::sort(first.begin(), first.end());
  EXPECT_GT(std::unique(first.begin(), first.end()) - first.begin(), 8);
  const Result<Sequences> outside = write_own_text(model, {.beginning = {16}, .sequences = 1, .length = 2}, {});
  ASSERT_FALSE(outside);
  EXPECT_EQ(
      outside.error().to_string(),
      "a text is to begin with token 16, outside the vocabulary of 16; check that tokenizer.json belongs to these "
      "weights");
}

TEST_F(OwnText, SaysWhereItStopsBeingFinite) {
  testing::ToyTensors tensors = testing::toy_tensors(1);
  tensors["model.embed_tokens.weight"].values[7 * 8] = std::nanf("");
  testing::write_toy_checkpoint(model_, tensors);
  const CausalLm model = open();
  const Sequences sound =
      *write_own_text(CausalLm(*CausalLm::open(model_.path(), {.residency = Residency::kAll, .threads = 1})),
                      {.beginning = {3}, .sequences = 1, .length = 2}, {});
  EXPECT_EQ(sound.size(), 1u);
  const Result<Sequences> broken = write_own_text(model, {.beginning = {3, 7}, .sequences = 2, .length = 9}, {});
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code(), ErrorCode::kNonFinite);
  EXPECT_EQ(broken.error().message(),
            "what the model predicts after token 3 of sequence 1 of its own text is not finite");
}

TEST_F(OwnText, KeysAndValuesStayWithinTwoGigabytes) {
  ModelSpec model;
  model.blocks.resize(32);
  for (BlockSpec& block : model.blocks) {
    block.attention.kv_heads = 8;
    block.attention.head_dim = 128;
  }
  EXPECT_EQ(own_text_at_once(model, 64, 1024, false), 8) << "a sequence has 256 MiB";
  EXPECT_EQ(own_text_at_once(model, 64, 1025, false), 4) << "room doubles";
  EXPECT_EQ(own_text_at_once(model, 9, 1024, false), 5) << "two groups of about one size";
  EXPECT_EQ(own_text_at_once(model, 64, 32, false), 64);
  EXPECT_EQ(own_text_at_once(model, 64, 32, true), 8);
  EXPECT_EQ(own_text_at_once(model, 3, 32, true), 3);
  EXPECT_EQ(own_text_at_once(model, 64, 1 << 20, true), 1);
}

TEST_F(OwnText, IsKeptWithWhatIsHeldOut) {
  const Result<CalibrateReport> report = calibrate(options("h"), {&own_, 1}, {});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->sequences, 4);
  const Sequences written = *write_own_text(open(), {.beginning = {3}, .sequences = 6, .length = 16, .seed = 1}, {});
  const CalibrationSequences stored = *read_sequences(sequences_file(directory_ / "h"));
  ASSERT_EQ(stored.texts.size(), 1u);
  EXPECT_EQ(stored.texts[0], Sequences(written.begin(), written.begin() + 4));
  EXPECT_EQ(stored.held_out, Sequences(written.begin() + 4, written.end()));
  std::vector<int32_t> held_out = written[4];
  held_out.insert(held_out.end(), written[5].begin(), written[5].end());
  EXPECT_EQ(report->held_out, held_out);
  EXPECT_EQ(stored.calibration["texts"][0]["name"], "self");
  EXPECT_EQ(stored.calibration["texts"][0]["beginning"], Json({3}));
  EXPECT_EQ(stored.calibration["texts"][0]["document"], kOwnDocument);
  EXPECT_EQ(stored.calibration["texts"][0]["temperature"], kOwnTemperature);
  EXPECT_EQ(stored.calibration["texts"][0]["tokens"], 64);
}

TEST_F(OwnText, StandsBesideFiles) {
  CalibrationText file{"file", {}};
  for (int i = 0; i < 200; ++i) file.ids.push_back((i * 7 + i / 5) % 16);
  const CalibrationText both[] = {file, own_};
  const Result<CalibrateReport> report = calibrate(options("both"), both, {});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->sequences, 8);
  ASSERT_TRUE(calibrate(options("own"), {&own_, 1}, {}));
  ASSERT_TRUE(calibrate(options("file"), {&file, 1}, {}));
  const auto texts = [&](const char* name) { return read_sequences(sequences_file(directory_ / name))->texts; };
  EXPECT_EQ(texts("both")[0], texts("file")[0]);
  EXPECT_EQ(texts("both")[1], texts("own")[0]);
  EXPECT_TRUE(read_sequences(sequences_file(directory_ / "file"))->held_out.empty());
  const CalibrationText twice[] = {own_, own_};
  EXPECT_EQ(calibrate(options("twice"), twice, {}).error().code(), ErrorCode::kInvalidArgument);
}

// The beginning of a text by config.json; the file decides where it names one, and any token begins where none does.
TEST_F(OwnText, BeginsWithTheModelsToken) {
  CalibrationText own = own_;
  own.ids.clear();
  const auto first_tokens = [&](const std::string& output) {
    EXPECT_TRUE(calibrate(options(output), {&own, 1}, {}));
    std::vector<int32_t> first;
    const CalibrationSequences stored = *read_sequences(sequences_file(directory_ / output));
    for (const auto& sequence : stored.texts[0]) first.push_back(sequence[0]);
    return first;
  };
  const std::vector<int32_t> any = first_tokens("any");
  EXPECT_FALSE(std::all_of(any.begin(), any.end(), [&](int32_t id) { return id == any[0]; }));
  testing::write_toy_checkpoint(model_, testing::toy_tensors(1), testing::toy_config("\"bos_token_id\": 2"));
  EXPECT_EQ(first_tokens("config"), (std::vector<int32_t>{2, 2, 2, 2}));
  model_.add("generation_config.json", R"({"bos_token_id": 4})");
  EXPECT_EQ(first_tokens("generation"), (std::vector<int32_t>{4, 4, 4, 4}));
  model_.add("generation_config.json", R"({"bos_token_id": 99})");
  EXPECT_EQ(first_tokens("outside"), (std::vector<int32_t>{2, 2, 2, 2}));
}

TEST_F(OwnText, AnInterruptedCalibrationDoesNotWriteItAgain) {
  ASSERT_TRUE(calibrate(options("whole"), {&own_, 1}, {}));
  const std::string writing = "the model's own text";
  std::atomic<bool> stop = false;
  Progress progress;
  progress.stop = &stop;
  progress.report = [&](uint64_t, uint64_t, const std::string& what) { stop = what != writing; };
  EXPECT_EQ(calibrate(options("h"), {&own_, 1}, progress).error().code(), ErrorCode::kInterrupted);
  bool again = false;
  progress.stop = nullptr;
  progress.report = [&](uint64_t, uint64_t, const std::string& what) { again = again || what == writing; };
  const Result<CalibrateReport> resumed = calibrate(options("h"), {&own_, 1}, progress);
  ASSERT_TRUE(resumed) << resumed.error().to_string();
  EXPECT_FALSE(again);
  EXPECT_TRUE(resumed->warnings.empty());
  EXPECT_EQ(resumed->held_out.size(), 32u);
  for (const std::string file : {"sequences.safetensors", "hessians-00000.safetensors", "hessians-00001.safetensors"})
    EXPECT_EQ(bytes_of("h", file), bytes_of("whole", file)) << file;
}

// While it is written, nothing is kept; a damaged file is made again.
TEST_F(OwnText, IsWrittenAgainWhereItIsNotWhole) {
  ASSERT_TRUE(calibrate(options("whole"), {&own_, 1}, {}));
  std::atomic<bool> stop = false;
  int steps = 0;
  Progress progress;
  progress.stop = &stop;
  progress.report = [&](uint64_t, uint64_t, const std::string&) { stop = ++steps == 5; };
  EXPECT_EQ(calibrate(options("h"), {&own_, 1}, progress).error().code(), ErrorCode::kInterrupted);
  EXPECT_FALSE(fs::exists(directory_ / "h"));
  stop = false;
  progress.report = [&](uint64_t, uint64_t, const std::string& what) { stop = what == "block 1"; };
  EXPECT_EQ(calibrate(options("h"), {&own_, 1}, progress).error().code(), ErrorCode::kInterrupted);
  const fs::path path = sequences_file(directory_ / "h");
  std::string bytes = testing::read_file(path);
  bytes[bytes.size() - 3] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
  const Result<CalibrateReport> resumed = calibrate(options("h"), {&own_, 1}, {});
  ASSERT_TRUE(resumed) << resumed.error().to_string();
  ASSERT_EQ(resumed->warnings.size(), 1u);
  EXPECT_NE(resumed->warnings[0].find("sequences.safetensors"), std::string::npos) << resumed->warnings[0];
  EXPECT_EQ(bytes_of("h", "sequences.safetensors"), bytes_of("whole", "sequences.safetensors"));
}

TEST_F(OwnText, NeedsAHead) {
  testing::ToyTensors tensors = testing::toy_tensors(1);
  tensors.erase("lm_head.weight");
  testing::write_toy_checkpoint(model_, tensors);
  const Result<CalibrateReport> report = calibrate(options("h"), {&own_, 1}, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(report.error().to_string().find("calibrate with --text FILE, which needs no head"), std::string::npos)
      << report.error().to_string();
}

}  // namespace
}  // namespace nwc
