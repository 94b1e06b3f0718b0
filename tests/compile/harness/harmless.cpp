// The bad half compiles: the harness must object.
// expect: .
#ifdef NIBBLE_BAD
int answer = 42;
#endif
