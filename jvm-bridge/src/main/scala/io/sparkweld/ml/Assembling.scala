package io.sparkweld.ml

/** VectorAssembler, and the functions that take a vector apart. */
private[ml] object Assembling {
  val Assembler = "org.apache.spark.ml.feature.VectorAssembler"

  val stages: PartialFunction[Closure, MlStage] = {
    case Closure(Assembler, calls, Seq(lengths: Array[Int], keepInvalid)) if calls("assemble") =>
      MlStage("VectorAssembler").ints("lengths", lengths).flag("keepInvalid", keepInvalid == true)
    case Closure("org.apache.spark.sql.ml.InternalFunctionRegistration", calls, Seq()) if calls("toArray") => MlStage("vector_to_array")
  }
}
