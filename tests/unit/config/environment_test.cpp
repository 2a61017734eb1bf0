#include "config/environment.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace keyrewind::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> mistakes(const Environment& environment) {
  Draft draft;
  read_environment(environment, draft);
  std::vector<std::string> lines;
  for (const auto& mistake : draft.mistakes()) {
    lines.push_back(mistake.place.text() + ": " + mistake.message);
  }
  return lines;
}

TEST(ReadEnvironment, RefusesVariablesThatNobodyKnows) {
  EXPECT_THAT(mistakes({{"KEYREWIND_SOURCE__ADRESS", "x"}}),
              ElementsAre("KEYREWIND_SOURCE__ADRESS: unknown variable; did you mean "
                          "'KEYREWIND_SOURCE__ADDRESS'?"));
  EXPECT_THAT(mistakes({{"KEYREWIND_SOURCE_ADDRESS", "x"}}),
              ElementsAre("KEYREWIND_SOURCE_ADDRESS: unknown variable; did you mean "
                          "'KEYREWIND_SOURCE__ADDRESS'?"));
  EXPECT_THAT(mistakes({{"KEYREWIND_CONFIG_YML", "x"}}),
              ElementsAre("KEYREWIND_CONFIG_YML: unknown variable; did you mean "
                          "'KEYREWIND_CONFIG_YAML'?"));
  EXPECT_THAT(mistakes({{"KEYREWIND_ZZZ", "x"}}), ElementsAre("KEYREWIND_ZZZ: unknown variable"));
}

TEST(ReadEnvironment, NeverShowsTheValueOfAVariableItDoesNotKnow) {
  for (const std::string& line : mistakes({{"KEYREWIND_SOURCE__PASSWRD", "hunter2"}})) {
    EXPECT_THAT(line, testing::Not(testing::HasSubstr("hunter2")));
  }
}

TEST(ReadEnvironment, IgnoresWhatOthersSet) {
  EXPECT_THAT(mistakes({{"KEYREWIND_REQUIRE_SERVERS", "1"},
                        {"KEYREWIND_CONFIG_YAML", "x"},
                        {"PATH", "/bin"},
                        {"MY_KEYREWIND_SOURCE__NAME", "x"}}),
              IsEmpty());
}

TEST(ReadEnvironment, IgnoresWhatKubernetesSetsForAServiceOfTheSameName) {
  EXPECT_THAT(mistakes({{"KEYREWIND_SERVICE_HOST", "10.0.0.1"},
                        {"KEYREWIND_SERVICE_PORT", "8379"},
                        {"KEYREWIND_SERVICE_PORT_HTTP", "8379"},
                        {"KEYREWIND_PORT", "tcp://10.0.0.1:8379"},
                        {"KEYREWIND_PORT_8379_TCP", "tcp://10.0.0.1:8379"},
                        {"KEYREWIND_PORT_8379_TCP_PROTO", "tcp"},
                        {"KEYREWIND_PORT_8379_TCP_PORT", "8379"},
                        {"KEYREWIND_PORT_8379_TCP_ADDR", "10.0.0.1"},
                        {"KEYREWIND_ORDERS_SERVICE_HOST", "10.0.0.2"},
                        {"KEYREWIND_ORDERS_PORT_8379_TCP_ADDR", "10.0.0.2"}}),
              IsEmpty());
}

TEST(ReadEnvironment, DoesNotTakeAMistypedOptionForOneOfKubernetes) {
  EXPECT_THAT(mistakes({{"KEYREWIND_SOURCE__SERVICE_HOST", "x"}}), testing::SizeIs(1));
}

TEST(EnvironmentOfProcess, HasTheVariablesOfThisProcess) {
  const char* path = std::getenv("PATH");
  ASSERT_NE(path, nullptr);

  EXPECT_EQ(environment_of_process().at("PATH"), path);
}

}  // namespace
}  // namespace keyrewind::config
