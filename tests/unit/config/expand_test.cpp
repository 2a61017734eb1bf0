#include "config/expand.h"

#include "base/error.h"

#include <gmock/gmock.h>

namespace keyrewind::config {
namespace {

const Environment kEnvironment{{"NAME", "orders"}, {"EMPTY", ""}, {"NESTED", "${NAME} $$ x: y"}};

std::string text_of(std::string_view text) {
  return expand(text, kEnvironment).text;
}

std::string failure_of(std::string_view text) {
  try {
    expand(text, kEnvironment);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return "no failure";
}

TEST(Expand, PutsVariablesIn) {
  EXPECT_EQ(text_of("${NAME}"), "orders");
  EXPECT_EQ(text_of("a-${NAME}-${NAME}-z"), "a-orders-orders-z");
  EXPECT_EQ(text_of("${EMPTY}"), "");
}

TEST(Expand, UsesTheDefaultIfAVariableIsUnsetOrEmpty) {
  EXPECT_EQ(text_of("${NAME:-x}"), "orders");
  EXPECT_EQ(text_of("${MISSING:-x}"), "x");
  EXPECT_EQ(text_of("${EMPTY:-x:-y}"), "x:-y");
  EXPECT_EQ(text_of("${MISSING:-}"), "");
  EXPECT_EQ(text_of("${NAME:?say it}"), "orders");
}

TEST(Expand, LeavesOtherDollarSignsAlone) {
  EXPECT_EQ(text_of("$NAME $ 5$"), "$NAME $ 5$");
  EXPECT_EQ(text_of("$$"), "$");
  EXPECT_EQ(text_of("$${NAME}"), "${NAME}");
  EXPECT_EQ(text_of("$$${NAME}"), "$orders");
}

TEST(Expand, DoesNotLookAgainAtWhatWasPutIn) {
  EXPECT_EQ(text_of("${NESTED}"), "${NAME} $$ x: y");
}

TEST(Expand, SaysWhetherThereWereVariables) {
  EXPECT_TRUE(expand("${EMPTY}", kEnvironment).has_variables);
  EXPECT_FALSE(expand("$$ plain", kEnvironment).has_variables);
}

TEST(Expand, NamesTheVariableThatIsNotSet) {
  EXPECT_EQ(failure_of("x${MISSING}"),
            "the variable MISSING is not set; set it, or give a default with ${MISSING:-default}");
  EXPECT_EQ(failure_of("${EMPTY:?the name of the source}"),
            "the variable EMPTY is empty: 'the name of the source'; set it, or give a default with "
            "${EMPTY:-default}");
}

TEST(Expand, RefusesWhatIsMalformed) {
  for (const std::string_view text : {"${}", "${1A}", "${A B}", "${A-b}", "${A:}", "${A:=b}"}) {
    EXPECT_THAT(failure_of(text), testing::HasSubstr("is not a variable; write ${NAME}")) << text;
  }
  EXPECT_EQ(failure_of("${NAME"),
            "a variable begins with ${ but has no }; write $${ for these characters themselves");
  EXPECT_EQ(failure_of("${MISSING:-${NAME}}"),
            "the default of ${MISSING} contains a variable, which is not possible");
}

}  // namespace
}  // namespace keyrewind::config
