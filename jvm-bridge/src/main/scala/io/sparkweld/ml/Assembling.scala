package io.sparkweld.ml

/** VectorAssembler and Interaction, and the functions that take a vector apart or make one of an array. */
private[ml] object Assembling {
  val Assembler = "org.apache.spark.ml.feature.VectorAssembler"

  private val Internal = "org.apache.spark.sql.ml.InternalFunctionRegistration"

  val stages: PartialFunction[Closure, MlStage] = {
    case Closure(Assembler, calls, Seq(lengths: Array[Int], keepInvalid)) if calls("assemble") =>
      MlStage("VectorAssembler").ints("lengths", lengths).flag("keepInvalid", keepInvalid == true)
    case Closure("org.apache.spark.ml.feature.Interaction", _, Seq(encoders: Array[AnyRef])) =>
      // A column each: how many categories each of its numbers has, 1 for what is none.
      val counts = encoders.map(Vectors.fieldOf(_, "numFeatures").asInstanceOf[Array[Int]])
      MlStage("Interaction").ints("lengths", counts.map(_.length)).ints("counts", counts.flatten)
    case Closure(Internal, calls, Seq()) if calls("toArray") => MlStage("vector_to_array")
    case Closure(Internal, calls, Seq()) if calls == Set("dense") => MlStage("array_to_vector")
  }
}
