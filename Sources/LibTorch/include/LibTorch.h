// The library's functions are declared in CTorch.h; nothing is imported from here.
#pragma once
