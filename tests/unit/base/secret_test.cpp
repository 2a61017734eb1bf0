#include "base/secret.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <concepts>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

namespace keyrewind {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

TEST(Secret, IsNeverPrintedByAccident) {
  EXPECT_FALSE(Printable<Secret>);
  EXPECT_FALSE(fmt::is_formattable<Secret>::value);
  EXPECT_FALSE((std::is_convertible_v<Secret, std::string>));
  EXPECT_FALSE((std::is_convertible_v<std::string, Secret>));
}

TEST(Secret, RevealsItselfToTheOneWhoAsks) {
  EXPECT_EQ(Secret("password").reveal(), "password");
  EXPECT_TRUE(Secret().empty());
  EXPECT_FALSE(Secret("password").empty());
}

TEST(Secret, LeavesNothingWhereItMovedFrom) {
  Secret from("a password that is too long for the small string optimisation");

  Secret to(std::move(from));

  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that it is empty is the promise.
  EXPECT_EQ(to.reveal(), "a password that is too long for the small string optimisation");

  Secret assigned("another");
  assigned = std::move(to);
  EXPECT_TRUE(to.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_FALSE(assigned.empty());
}

TEST(Secret, IsCopiedWhole) {
  const Secret first("password");

  const Secret second = first;

  EXPECT_EQ(first.reveal(), second.reveal());
}

}  // namespace
}  // namespace keyrewind
