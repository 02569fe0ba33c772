static int once(int x) { return x * 3 + 1; }
int __declspec(dllexport) twice(int x) { return once(x) + once(x + 1); }
