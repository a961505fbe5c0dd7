// What LLVM's C interface lacks: what it knows of processors and their features, and which options it does not take.
// `machine` is an LLVMTargetMachineRef; `each` is called with names or texts, which are not terminated, and `context`.

#include <cstddef>
#include <cstring>
#include <string>

#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

namespace {

using Each = void (*)(void *context, const char *name, std::size_t len);

const llvm::MCSubtargetInfo &
subtarget(const void *machine)
{
    return *static_cast<const llvm::TargetMachine *>(machine)->getMCSubtargetInfo();
}

} // namespace

// The features that the machine's code may use, implied ones too.
extern "C" void
wayfarer_enabled_features(const void *machine, void *context, Each each)
{
    for (const auto &feature : subtarget(machine).getEnabledProcessorFeatures())
        each(context, feature.Key, std::strlen(feature.Key));
}

// All features of the machine's architecture.
extern "C" void
wayfarer_known_features(const void *machine, void *context, Each each)
{
    for (const auto &feature : subtarget(machine).getAllProcessorFeatures())
        each(context, feature.Key, std::strlen(feature.Key));
}

// All processors of the machine's architecture.
extern "C" void
wayfarer_known_processors(const void *machine, void *context, Each each)
{
    for (const auto &processor : subtarget(machine).getAllProcessorDescriptions())
        each(context, processor.Key, std::strlen(processor.Key));
}

// Passes command line options on to LLVM. Calls `each` with a message if it does not take them.
extern "C" void
wayfarer_llvm_options(int argc, const char *const *argv, void *context, Each each)
{
    std::string message;
    llvm::raw_string_ostream stream(message);
    if (!llvm::cl::ParseCommandLineOptions(argc, argv, "", &stream))
        each(context, message.data(), message.size());
}
