// A thousand kills while saving: no torn file.
#include "support/kills.hpp"

#if defined(__unix__)
TEST_CASE("a thousand kills while saving") { test::expect_whole_after_kills(1000); }
#endif
