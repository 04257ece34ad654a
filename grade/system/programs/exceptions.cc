// Exceptions, as the C++ library throws, carries and catches them, and what it needs
// of a kernel before main() and after. One line for each thing seen.
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

namespace {

struct Guard {
	explicit Guard(std::string name) : name(std::move(name))
	{
		std::cout << "enter " << this->name << '\n';
	}
	~Guard()
	{
		std::cout << "leave " << name
			  << (std::uncaught_exceptions() ? ", unwinding" : "")
			  << '\n';
	}
	std::string name;
};

// Made before main, gone after it.
Guard global("the program");

struct Base {
	virtual ~Base() = default;
};
struct Derived : Base, std::runtime_error {
	explicit Derived(int depth)
		: std::runtime_error("depth " + std::to_string(depth))
	{
	}
};

void descend(int depth)
{
	Guard guard("level " + std::to_string(depth));

	if (depth == 3)
		throw Derived(depth);
	descend(depth + 1);
}

// The stack of a thousand calls is unwound.
int deep(int depth)
{
	std::vector<int> some(10, depth);

	if (depth == 0)
		throw some.size();
	return deep(depth - 1) + some[3];
}

struct Half {
	Guard first{ "the first half" };
	Half() try : second(make()) {
	} catch (const std::exception &error) {
		std::cout << "no second half: " << error.what() << '\n';
	}
	static int make()
	{
		throw std::logic_error("made on purpose");
	}
	int second;
};

void told(const char *what, const std::function<void()> &body)
{
	try {
		body();
		std::cout << what << ": nothing thrown\n";
	} catch (const std::bad_alloc &) {
		std::cout << what << ": bad_alloc\n";
	} catch (const std::exception &error) {
		std::cout << what << ": " << typeid(error).name() << ", "
			  << error.what() << '\n';
	} catch (...) {
		std::cout << what << ": something else\n";
	}
}

} // namespace

int main()
{
	std::exception_ptr kept;

	try {
		descend(0);
	} catch (const Base &base) {
		std::cout << "caught "
			  << dynamic_cast<const Derived &>(base).what() << '\n';
		kept = std::current_exception();
	}
	told("again", [&] { std::rethrow_exception(kept); });
	told("a thousand calls", [] { deep(1000); });
	told("half an object", [] { Half half; });
	told("at", [] { std::vector<int>(3).at(3); });
	told("a cast", [] {
		Base base;
		(void)dynamic_cast<Derived &>(base);
	});
	told("a number", [] { (void)std::stoi("none"); });
	told("an int", [] { throw 5; });
	told("a file", [] {
		std::ifstream file;
		file.exceptions(std::ios::failbit);
		file.open("/no/such/file");
	});
	told("all memory", [] {
		volatile std::size_t much = static_cast<std::size_t>(-1) >> 2;
		char *volatile there = new char[much];
		delete[] there;
	});
	told("a map", [] {
		std::map<std::string, std::unique_ptr<int>> map;
		for (int i = 0; i < 1000; i++)
			map[std::to_string(i)] = std::make_unique<int>(i);
		std::ostringstream text;
		text << *map.at("999") << ' ' << map.size();
		std::cout << text.str() << '\n';
		map.at("1000");
	});
	return 0;
}
