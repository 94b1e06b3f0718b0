// The bad half fails for a reason that was not foreseen: the harness must object.
// expect: a sentence no compiler prints
#ifdef NIBBLE_BAD
int answer = "forty-two";
#endif
