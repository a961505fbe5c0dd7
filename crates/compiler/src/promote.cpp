// Keeps in registers what an innermost loop loads and stores at the same places each time round. LLVM does so itself, but not
// where the loop also loads from elsewhere at addresses that only their ranges tell apart: for LLVM, all of a guest's memory is
// one object. The analysis that compares ranges is not part of its pipeline.

#include <llvm/Analysis/AliasAnalysis.h>
#include <llvm/Analysis/BasicAliasAnalysis.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/ScalarEvolutionAliasAnalysis.h>
#include <llvm/Analysis/TypeBasedAliasAnalysis.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>

using namespace llvm;

namespace {

// Whether a block stores vectors: other loops gain little, and are best left as they are.
bool
stores_vectors(const BasicBlock &block)
{
    for (auto &instruction : block)
        if (auto *store = dyn_cast<StoreInst>(&instruction))
            if (store->getValueOperand()->getType()->isVectorTy())
                return true;
    return false;
}

// Whether one of its innermost loops does. (A poll that found a request does, too.)
bool
has_vector_loop(Function &function, FunctionAnalysisManager &analyses)
{
    if (none_of(function, stores_vectors))
        return false;
    for (auto *loop : analyses.getResult<LoopAnalysis>(function).getLoopsInPreorder())
        if (loop->isInnermost() && any_of(loop->blocks(), [](BasicBlock *block) { return stores_vectors(*block); }))
            return true;
    return false;
}

// LLVM's motion of what is the same each time round, for these loops.
class Promote : public PassInfoMixin<Promote>
{
  public:
    PreservedAnalyses run(Loop &loop, LoopAnalysisManager &analyses, LoopStandardAnalysisResults &results, LPMUpdater &updater)
    {
        if (!loop.isInnermost() || none_of(loop.blocks(), [](BasicBlock *block) { return stores_vectors(*block); }))
            return PreservedAnalyses::all();
        return motion_.run(loop, analyses, results, updater);
    }

  private:
    LICMPass motion_{LICMOptions()};
};

} // namespace

// `module` and `machine` are an LLVMModuleRef and an LLVMTargetMachineRef.
extern "C" void
wayfarer_promote(void *module, void *machine)
{
    LoopAnalysisManager loops;
    FunctionAnalysisManager functions;
    CGSCCAnalysisManager components;
    ModuleAnalysisManager modules;
    PassBuilder builder(static_cast<TargetMachine *>(machine));
    functions.registerPass([] {
        AAManager aliases;
        aliases.registerFunctionAnalysis<BasicAA>();
        aliases.registerFunctionAnalysis<TypeBasedAA>();
        aliases.registerFunctionAnalysis<SCEVAA>();
        return aliases;
    });
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, components, modules);

    FunctionPassManager passes;
    passes.addPass(createFunctionToLoopPassAdaptor(Promote(), /*UseMemorySSA=*/true));
    for (auto &function : *static_cast<Module *>(module))
        if (!function.isDeclaration() && has_vector_loop(function, functions))
            passes.run(function, functions);
}
